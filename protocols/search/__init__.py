"""The search for better parameters of any protocol: what may change, what is sought, and the answer."""
