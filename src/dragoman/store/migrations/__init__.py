"""The tables' history: numbered, forward only. Loaded only when a store is not at the newest."""
