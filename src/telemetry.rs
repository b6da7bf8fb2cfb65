//! Our own counters and latency histograms.
