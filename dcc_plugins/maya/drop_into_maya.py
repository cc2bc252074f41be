"""Drop this file into a viewport of Maya: it puts the module where Maya looks for modules, and a button on the open shelf."""

import os
import shutil
import sys

MODULE, MOD_FILE, CLIENT = "a2f_batch", "a2f_batch.mod", "a2f_client.py"


def onMayaDroppedPythonFile(*_):  # noqa: N802 (Maya looks for this name)
    """Install, load, and tell so."""
    from maya import cmds

    here = os.path.dirname(os.path.abspath(__file__))
    modules = os.path.join(cmds.internalVar(userAppDir=True), "modules")
    try:
        place = install(here, modules)
        _use_now(place)
        from a2f_batch_maya import shelf

        told = "Installed in %s.\nThe button is on the shelf '%s'." % (place, shelf.add_button())
    except (OSError, RuntimeError) as error:
        told = "a2f_batch can't be installed in %s: %s.\nClose other Mayas, check that you may write there, and drop it again." % (
            modules, error)
    cmds.confirmDialog(title="a2f_batch", message=told, button=["OK"])
    # Maya keeps what it imported: without this, a newer file of this name would not be read in this session.
    sys.modules.pop(__name__, None)


def install(source, modules):
    """Copy the module from the folder `source` to `modules`, in place of an earlier one; return its place."""
    place = os.path.join(modules, MODULE)
    if os.path.abspath(source) == os.path.abspath(modules):
        return place
    client = _client(source)
    if os.path.isdir(place):
        shutil.rmtree(place)
    shutil.copytree(os.path.join(source, MODULE), place, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(client, os.path.join(place, "scripts", CLIENT))
    shutil.copy(os.path.join(source, MOD_FILE), os.path.join(modules, MOD_FILE))
    return place


def _client(source):
    """Return the client's path: in the module where it was built, beside the add-ons in a checkout."""
    for path in (os.path.join(source, MODULE, "scripts", CLIENT), os.path.join(source, "..", "shared", CLIENT)):
        if os.path.isfile(path):
            return path
    raise RuntimeError("%s is missing beside it; unpack the whole folder" % CLIENT)


def _use_now(place):
    """Make this session use the module; later ones find it by its .mod file."""
    from maya import cmds

    scripts = os.path.join(place, "scripts")
    if scripts not in sys.path:
        sys.path.append(scripts)
    for variable, folder in (("XBMLANGPATH", "icons"), ("MAYA_PLUG_IN_PATH", "plug-ins")):
        os.environ[variable] = os.pathsep.join([os.environ.get(variable, ""), os.path.join(place, folder)])
    if not hasattr(cmds, "a2fSetKeys"):
        cmds.loadPlugin(os.path.join(place, "plug-ins", "a2f_set_keys.py"), quiet=True)
