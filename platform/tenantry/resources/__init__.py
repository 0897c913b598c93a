"""What a worker may use and what each tenant has used: memory, connections, pauses, popularity."""
