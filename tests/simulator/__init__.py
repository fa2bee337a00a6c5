"""The local Fal and the local Google, over real HTTP."""
