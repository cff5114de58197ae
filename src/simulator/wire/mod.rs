//! What goes over the wire: requests as they came, answers and errors in their formats, and how they
//! travel. It does not know what is asked for.

pub(crate) mod call;
pub(crate) mod delivery;
pub(crate) mod encode;
pub(crate) mod refusal;
pub(crate) mod reply;
