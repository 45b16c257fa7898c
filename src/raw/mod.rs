//! The unsafe floor: handles, the one way of calling the driver, and the one `Drop` that frees.

pub(crate) mod allocation;
pub(crate) mod budget;
pub(crate) mod call;
pub(crate) mod context;
pub(crate) mod event;
pub(crate) mod exit;
pub(crate) mod handle;
pub(crate) mod home;
pub(crate) mod immediate;
pub(crate) mod keeper;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod quiet;
pub(crate) mod shortage;
