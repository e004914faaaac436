"""Backups of agents: taken from their machines, encrypted for a key that outlives the controller, and put back.

`form` is what one is; `seal` encrypts, `bundle` packs and unpacks, `walk` looks at every name in a state before
anything of it is sent to a machine; `calls` and `flow` speak to machines; `shelves` are where backups rest; `make`,
`check` and `policy` do the rest. See docs/backup.md.
"""
