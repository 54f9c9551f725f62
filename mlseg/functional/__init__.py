"""Pure functions on tensors and arrays, shared by losses and metrics."""
