//! The only wiring: build, start, reload, stop.
