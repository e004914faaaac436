"""Everything that a setup needs in one file, for places without a network: `clawrack booth bundle`, `setup --bundle`.

form.py         what is in the file, and its first bytes                    pure
tarball.py      the file: every byte of it is foretold by its manifest, so that one changed bit is found
suites.py       where a release's packages come from                        pure
repository.py   a release's packages with all they depend on, by apt
gather.py       images and packages → the file
bundle.py       the file, opened: images into the cache, packages onto a machine
"""
