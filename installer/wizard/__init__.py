"""Questions put to a person: asked by any front end, answered in any order, nothing done before the last of them."""
