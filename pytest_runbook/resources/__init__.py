"""Resources: what stays open between blocks, such as processes, terminals, connections and pools."""
