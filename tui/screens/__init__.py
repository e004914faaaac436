"""The pages of the screen; each is imported when it is first shown."""
