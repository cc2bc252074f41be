"""The shelf button."""

from maya import cmds, mel

LABEL = "a2f_batch"
_COMMAND = "import a2f_batch_maya\na2f_batch_maya.show()"


def add_button():
    """Put the button on the shelf that is open, once; return the shelf's name."""
    tabs = mel.eval("$a2f_shelves = $gShelfTopLevel")
    shelf = cmds.tabLayout(tabs, query=True, selectTab=True)
    for button in cmds.shelfLayout(shelf, query=True, childArray=True) or []:
        if cmds.objectTypeUI(button) == "shelfButton" and cmds.shelfButton(button, query=True, label=True) == LABEL:
            return shelf
    cmds.shelfButton(parent=shelf, label=LABEL, annotation="Bake a voice line to this character's face", image="a2f_batch.png",
                     sourceType="python", command=_COMMAND)  # type: ignore[arg-type]  # text too, says Maya's help
    return shelf
