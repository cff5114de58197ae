//! Error answers: the API's documented codes with their documented HTTP status.

use std::time::Duration;

use serde_json::{Value, json};

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// `Code`.
    pub(crate) code: String,
    /// `Message`.
    pub(crate) message: String,
    /// For `x-acs-retry-after`.
    pub(crate) retry_after: Option<Duration>,
    /// `AccessDeniedDetail`.
    pub(crate) access_denied: Option<Value>,
}

/// The product that an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Rds,
    Sts,
}

impl Product {
    /// Its name, as error answers link to it, and its host.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Rds => ("Rds", "rds.aliyuncs.com"),
            Self::Sts => ("Sts", "sts.aliyuncs.com"),
        }
    }
}

impl Refusal {
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            retry_after: None,
            access_denied: None,
        }
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let message = format!(
            "The input parameter \"{parameter}\" that is mandatory for processing this request is not supplied."
        );
        Self::new(400, "MissingParameter", message)
    }

    /// A parameter whose own code is `Invalid<name>.Malformed`.
    pub(crate) fn malformed(name: &str, allowed: &str) -> Self {
        let message = format!("The specified parameter \"{name}\" is not valid: {allowed}.");
        Self::new(400, format!("Invalid{name}.Malformed"), message)
    }

    pub(crate) fn invalid(parameter: &str, allowed: &str) -> Self {
        let message = format!("The specified parameter \"{parameter}\" is not valid: {allowed}.");
        Self::new(400, "InvalidParameter", message)
    }

    pub(crate) fn no_such_api() -> Self {
        let message = "Specified api is not found, please check your url and method.";
        Self::new(404, "InvalidApi.NotFound", message)
    }

    pub(crate) fn throttled(retry_after: Option<Duration>) -> Self {
        let message = "Request was denied due to user flow control.";
        Self { retry_after, ..Self::new(400, "Throttling.User", message) }
    }

    pub(crate) fn no_such_instance() -> Self {
        let message = "The specified DBInstanceId is not found.";
        Self::new(404, "InvalidDBInstanceId.NotFound", message)
    }

    pub(crate) fn unsupported_type() -> Self {
        let message = "The operation is not permitted due to type of instance.";
        Self::new(403, "OperationDenied.DBInstanceType", message)
    }

    /// `action` as policies name it, such as `rds:DescribeDBInstances`.
    pub(crate) fn not_authorised(action: &str) -> Self {
        let detail = json!({
            "AuthAction": action,
            "AuthPrincipalType": "SubUser",
            "AuthPrincipalOwnerId": "1234567890123456",
            "AuthPrincipalDisplayName": "exporter",
            "NoPermissionType": "ImplicitDeny",
            "PolicyType": "AccountLevelIdentityBasedPolicy",
            "EncodedDiagnosticMessage": "AQEAAAAAZsimulatedMDEyMzQ1Njc4OQ==",
        });
        let message = "User not authorized to operate on the specified resource, or this API doesn't support RAM.";
        Self { access_denied: Some(detail), ..Self::new(403, "Forbidden.RAM", message) }
    }

    /// The body's fields.
    pub(crate) fn fields(&self, product: Product, request_id: &str) -> Value {
        let (product, host) = product.names();
        let recommend = format!(
            "https://api.aliyun.com/troubleshoot?q={}&product={product}&requestId={request_id}",
            self.code
        );
        let mut fields = json!({
            "RequestId": request_id,
            "HostId": host,
            "Code": self.code,
            "Message": self.message,
            "Recommend": recommend,
        });
        if let Some(detail) = &self.access_denied {
            fields["AccessDeniedDetail"] = detail.clone();
        }
        fields
    }
}
