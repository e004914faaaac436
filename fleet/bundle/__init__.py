"""A support bundle: what a helper needs to know of a fleet that does not work, and nothing that is anybody's.

Everything is taken first, as it is: from this computer (`controller`) and from each machine (`machine`, `engine`). Then
all of it goes through one scrubber (`make`) that knows every name and secret that was met on the way (`known`), and
becomes files with a manifest (`form`). docs/support-bundle.md tells what is in it and what is not.
"""
