"""UniTalker itself in torch: the published network, its checkpoints, and its run on many lines at once without changing one."""
