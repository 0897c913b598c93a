"""Keys for each tenant and purpose out of the master keys, and passwords."""
