//! What a policy allows, by action. Resources and conditions are not simulated.

use serde::Deserialize;
use serde_json::Value;

/// Statements of one policy; a denial beats what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permissions(Vec<Statement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    allows: bool,
    actions: Vec<String>,
    /// Whether it speaks of every action but these.
    inverted: bool,
}

/// A policy as it is written in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: String,
    statement: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    effect: String,
    action: Option<Value>,
    not_action: Option<Value>,
}

impl Permissions {
    /// Allows and denies patterns such as `rds:Describe*`; without a list everything is allowed.
    pub(crate) fn new(allow: Option<&[String]>, deny: &[String]) -> Self {
        let statement = |allows, actions| Statement { allows, actions, inverted: false };
        let everything = || vec!["*".to_owned()];
        let allowed = allow.map_or_else(everything, <[String]>::to_vec);
        Self(vec![statement(true, allowed), statement(false, deny.to_vec())])
    }

    /// Reads a policy; `None` if it is none.
    pub(crate) fn parse(policy: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(policy).ok()?;
        if document.version != "1" || document.statement.is_empty() {
            return None;
        }
        let statements = document.statement.into_iter().map(|written| {
            let allows = match written.effect.as_str() {
                "Allow" => true,
                "Deny" => false,
                _ => return None,
            };
            let (actions, inverted) = match (written.action, written.not_action) {
                (Some(actions), None) => (actions, false),
                (None, Some(actions)) => (actions, true),
                _ => return None,
            };
            Some(Statement { allows, actions: patterns(actions)?, inverted })
        });
        Some(Self(statements.collect::<Option<_>>()?))
    }

    /// Whether an action, such as `rds:DescribeDBInstances`, is allowed.
    pub(crate) fn allow(&self, action: &str) -> bool {
        let mut about = self.0.iter().filter(|statement| statement.is_about(action)).peekable();
        about.peek().is_some() && about.all(|statement| statement.allows)
    }
}

impl Statement {
    fn is_about(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| fits(pattern, action)) != self.inverted
    }
}

fn patterns(actions: Value) -> Option<Vec<String>> {
    match actions {
        Value::String(action) => Some(vec![action]),
        Value::Array(actions) => {
            actions.into_iter().map(|action| action.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

/// Whether a text fits a pattern, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.any(|at| fits(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_is_not_among_what_describe_stands_for() {
        let allow = ["rds:Describe*".to_owned()];
        let read_only = Permissions::new(Some(&allow), &[]);
        assert!(read_only.allow("rds:DescribeDBInstances"));
        assert!(!read_only.allow("rds:DescibeImportsFromDatabase"));
    }

    #[test]
    fn a_denial_beats_what_is_allowed() {
        let permissions = Permissions::new(None, &["rds:*Imports*".to_owned()]);
        assert!(permissions.allow("rds:DescribeDBInstances"));
        assert!(!permissions.allow("rds:DescibeImportsFromDatabase"));
        assert!(!Permissions::new(Some(&[]), &[]).allow("rds:DescribeDBInstances"));
    }

    #[test]
    fn policies_are_read_or_refused_whole() {
        let policy = |statement: &str| format!(r#"{{"Version": "1", "Statement": [{statement}]}}"#);
        let read = |statement| Permissions::parse(&policy(statement));
        let one = read(r#"{"Effect": "Allow", "Action": "rds:A*", "Resource": "*"}"#).unwrap();
        assert!(one.allow("rds:Ab") && !one.allow("rds:B"));
        let but = read(r#"{"Effect": "Allow", "NotAction": ["rds:A"], "Resource": "*"}"#).unwrap();
        assert!(!but.allow("rds:A") && but.allow("rds:B"));
        for bad in [
            "",
            r#"{"Effect": "Perhaps", "Action": "*"}"#,
            r#"{"Effect": "Allow"}"#,
            r#"{"Effect": "Allow", "Action": 7}"#,
            r#"{"Effect": "Allow", "Action": ["*", 7]}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(Permissions::parse("{}"), None);
        assert_eq!(Permissions::parse("no JSON"), None);
    }
}
