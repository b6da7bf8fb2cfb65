//! The alert book: inactive, pending, firing, resolved; and who hears of it.

mod route;

pub use route::Route;
