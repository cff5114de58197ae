//! Bodies in the API's two formats, from one tree of fields, so that they cannot differ.

use quick_xml::escape::escape;
use serde_json::Value;

/// Format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

impl Format {
    /// The exact content type: SDKs recognise XML errors by it.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json;charset=utf-8",
            Self::Xml => "text/xml;charset=utf-8",
        }
    }

    /// Writes fields; `root` names the XML document's element.
    pub(crate) fn encode(self, root: &str, fields: &Value) -> Vec<u8> {
        match self {
            Self::Json => fields.to_string().into_bytes(),
            Self::Xml => {
                let mut xml = String::from("<?xml version='1.0' encoding='UTF-8'?>");
                element(&mut xml, root, fields);
                xml.into_bytes()
            }
        }
    }
}

/// A list is an element for each of its members; null is an empty element.
fn element(xml: &mut String, name: &str, value: &Value) {
    if let Value::Array(members) = value {
        for member in members {
            element(xml, name, member);
        }
        return;
    }
    xml.push('<');
    xml.push_str(name);
    xml.push('>');
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                element(xml, name, value);
            }
        }
        Value::String(text) => xml.push_str(&escape(text.as_str())),
        Value::Null | Value::Array(_) => {}
        Value::Bool(_) | Value::Number(_) => xml.push_str(&value.to_string()),
    }
    xml.push_str("</");
    xml.push_str(name);
    xml.push('>');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_lists_nulls_and_hostile_text() {
        let fields = json!({
            "Empty": { "Item": [] },
            "Items": { "Item": [{ "Id": 1 }, { "Id": 2 }] },
            "Nothing": null,
            "Text": "a<b>&\"ü",
        });
        let xml = String::from_utf8(Format::Xml.encode("Root", &fields)).unwrap();
        assert_eq!(
            xml,
            "<?xml version='1.0' encoding='UTF-8'?><Root><Empty></Empty>\
             <Items><Item><Id>1</Id></Item><Item><Id>2</Id></Item></Items><Nothing></Nothing>\
             <Text>a&lt;b&gt;&amp;&quot;ü</Text></Root>"
        );
    }
}
