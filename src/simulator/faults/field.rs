//! Fields of answers that faults spoil.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A field of an answer, by its name in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the API's names")]
pub enum Field {
    RequestId,
    PageNumber,
    PageRecordCount,
    TotalRecordCount,
    NextToken,
    Items,
    Regions,
    Code,
    Credentials,
    ImportId,
    ImportDataType,
    ImportDataStatus,
    IncrementalImportingTime,
    DBInstanceId,
    DBInstanceDescription,
    DBInstanceType,
    DBInstanceStatus,
    Engine,
    RegionId,
    AccessKeyId,
    AccessKeySecret,
    SecurityToken,
    Expiration,
}

/// The fields of an answer.
pub(crate) type Fields = Map<String, Value>;

/// Where a field stands.
enum Place {
    Top,
    /// In the page's first item.
    FirstItem,
    /// Among the keys that are handed out: in `Credentials`, or at the top where there is none.
    Credentials,
}

impl Field {
    /// Its name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RequestId => "RequestId",
            Self::PageNumber => "PageNumber",
            Self::PageRecordCount => "PageRecordCount",
            Self::TotalRecordCount => "TotalRecordCount",
            Self::NextToken => "NextToken",
            Self::Items => "Items",
            Self::Regions => "Regions",
            Self::Code => "Code",
            Self::Credentials => "Credentials",
            Self::ImportId => "ImportId",
            Self::ImportDataType => "ImportDataType",
            Self::ImportDataStatus => "ImportDataStatus",
            Self::IncrementalImportingTime => "IncrementalImportingTime",
            Self::DBInstanceId => "DBInstanceId",
            Self::DBInstanceDescription => "DBInstanceDescription",
            Self::DBInstanceType => "DBInstanceType",
            Self::DBInstanceStatus => "DBInstanceStatus",
            Self::Engine => "Engine",
            Self::RegionId => "RegionId",
            Self::AccessKeyId => "AccessKeyId",
            Self::AccessKeySecret => "AccessKeySecret",
            Self::SecurityToken => "SecurityToken",
            Self::Expiration => "Expiration",
        }
    }

    fn place(self) -> Place {
        match self {
            Self::RequestId
            | Self::PageNumber
            | Self::PageRecordCount
            | Self::TotalRecordCount
            | Self::NextToken
            | Self::Items
            | Self::Regions
            | Self::Code
            | Self::Credentials => Place::Top,
            Self::ImportId
            | Self::ImportDataType
            | Self::ImportDataStatus
            | Self::IncrementalImportingTime
            | Self::DBInstanceId
            | Self::DBInstanceDescription
            | Self::DBInstanceType
            | Self::DBInstanceStatus
            | Self::Engine
            | Self::RegionId => Place::FirstItem,
            Self::AccessKeyId | Self::AccessKeySecret | Self::SecurityToken | Self::Expiration => {
                Place::Credentials
            }
        }
    }

    /// What holds it in an answer, if the answer has such a place.
    pub(crate) fn holder(self, fields: &mut Fields) -> Option<&mut Fields> {
        match self.place() {
            Place::Top => Some(fields),
            Place::FirstItem => items(fields)?.first_mut()?.as_object_mut(),
            Place::Credentials if fields.contains_key("Credentials") => {
                fields.get_mut("Credentials")?.as_object_mut()
            }
            Place::Credentials => Some(fields),
        }
    }

    /// Sets it, if the answer has such a place.
    pub(crate) fn set(self, fields: &mut Fields, value: Value) {
        if let Some(holder) = self.holder(fields) {
            holder.insert(self.name().to_owned(), value);
        }
    }
}

/// The list that an answer holds.
pub(crate) fn items(fields: &mut Fields) -> Option<&mut Vec<Value>> {
    let list = if fields.contains_key("Items") { "Items" } else { "Regions" };
    fields.get_mut(list)?.as_object_mut()?.values_mut().find_map(Value::as_array_mut)
}
