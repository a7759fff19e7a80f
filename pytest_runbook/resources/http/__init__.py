"""HTTP: requests, connections and errors."""
