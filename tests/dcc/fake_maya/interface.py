"""The window's controls: they keep what they are told, and tests press their buttons."""

from .strict import CALLABLE, STRINGS, check

_ANY = {"query": bool, "edit": bool, "exists": bool, "annotation": str, "parent": str}
_GROUP = dict(_ANY, label=str, adjustableColumn=int, changeCommand=CALLABLE)
#: Kind of control -> its flags and their types.
KINDS = {
    "window": dict(_ANY, title=str, widthHeight=tuple), "scrollLayout": dict(_ANY, childResizable=bool),
    "columnLayout": dict(_ANY, adjustableColumn=bool),
    "frameLayout": dict(_ANY, label=str, marginHeight=int, collapsable=bool),
    "textFieldButtonGrp": dict(_GROUP, text=str, buttonLabel=str, buttonCommand=CALLABLE), "textFieldGrp": dict(_GROUP, text=str),
    "floatFieldGrp": dict(_GROUP, value1=float), "intFieldGrp": dict(_GROUP, value1=int),
    "checkBoxGrp": dict(_GROUP, label1=str, value1=bool), "optionMenuGrp": dict(_GROUP, select=int),
    "popupMenu": dict(_ANY, deleteAllItems=bool), "menuItem": dict(_ANY, label=str, command=CALLABLE),
    "button": dict(_ANY, label=str, command=CALLABLE), "text": dict(_ANY, label=str, align=str, wordWrap=bool),
    "textScrollList": dict(_ANY, numberOfRows=int, allowMultiSelection=bool, selectCommand=CALLABLE, append=STRINGS, removeAll=bool,
                           removeItem=STRINGS, allItems=bool, selectItem=STRINGS, selectIndexedItem=int),
    "tabLayout": dict(_ANY, selectTab=str), "shelfLayout": dict(_ANY, childArray=bool),
    "shelfButton": dict(_ANY, label=str, image=str, sourceType=str, command=str),
}
_DEFAULTS = {"text": "", "value1": 0, "select": 1, "label": ""}
_LAYOUTS = ("window", "scrollLayout", "columnLayout", "frameLayout", "shelfLayout", "tabLayout")


class Interface:
    """All controls; and what dialogues were shown, and are answered."""

    def __init__(self):
        self.controls, self.parents = {}, []
        self.dialogues, self.chosen_files = [], []
        self.progress = None
        self.cancelled = False
        self.progress_told = []
        self.controls["ShelfTop"] = {"kind": "tabLayout", "parent": None, "selectTab": "Custom"}
        self.controls["Custom"] = {"kind": "shelfLayout", "parent": "ShelfTop"}

    def command(self, kind, name, flags):
        """Create, edit or query a control."""
        check(kind, KINDS[kind], flags)
        if flags.pop("exists", False):
            return name in self.controls
        query, edit = flags.pop("query", False), flags.pop("edit", False)
        if query or edit:
            if self.controls.get(name, {}).get("kind") != kind:
                raise RuntimeError("%s: Object '%s' not found." % (kind, name))
            control = self.controls[name]
            return self._query(name, control, flags) if query else self._edit(name, control, flags)
        return self._create(kind, name, flags)

    def _create(self, kind, name, flags):
        name = name or "%s%d" % (kind, len(self.controls))
        parent = flags.pop("parent", None)
        if parent is None and kind != "window":
            if not self.parents:
                raise RuntimeError("%s: there is no layout to be in" % kind)
            menus = [one for one, control in self.controls.items() if control["kind"] == "optionMenuGrp"]
            parent = menus[-1] if kind == "menuItem" else self.parents[-1]
        if parent is not None and parent not in self.controls:
            raise RuntimeError("%s: Object '%s' not found." % (kind, parent))
        self.controls[name] = {"kind": kind, "parent": parent, "items": [], "marked": []}
        if kind in _LAYOUTS:
            self.parents.append(name)
        self._edit(name, self.controls[name], flags)
        return name

    def _edit(self, name, control, flags):
        for flag, value in flags.items():
            values = [value] if isinstance(value, str) else value
            if flag == "append":
                control["items"].extend(values)
            elif flag == "removeAll":
                control["items"], control["marked"] = [], []
            elif flag == "removeItem":
                for one in values:
                    control["items"].remove(one)
                    control["marked"] = []
            elif flag == "deleteAllItems":
                for one in [one for one, item in self.controls.items() if item["parent"] == name]:
                    del self.controls[one]
            else:
                control[flag] = value
        return name

    def _query(self, name, control, flags):
        (flag,) = flags
        if flag == "childArray":
            return [one for one, control in self.controls.items() if control["parent"] == name] or None
        if flag == "allItems":
            return list(control["items"]) or None
        if flag == "selectItem":
            return [control["items"][i] for i in control["marked"]] or None
        if flag == "selectIndexedItem":
            return [i + 1 for i in control["marked"]] or None
        return control.get(flag, _DEFAULTS.get(flag))

    # What the artist does.

    def find(self, kind, label):
        """Return the control of that kind and label."""
        (name,) = [name for name, control in self.controls.items() if control["kind"] == kind and control.get("label") == label]
        return name

    def press(self, label):
        """Press a button, as Maya does: its command gets False."""
        self.controls[self.find("button", label)]["command"](False)

    def press_beside(self, label):
        """Press the button of a field."""
        self.controls[self.find("textFieldButtonGrp", label)]["buttonCommand"]()

    def type(self, kind, label, value):
        """Type into a field and leave it."""
        control = self.controls[self.find(kind, label)]
        control["text" if kind.startswith("text") else "value1"] = value
        if "changeCommand" in control:
            control["changeCommand"](value)

    def mark(self, name, *rows):
        """Mark rows of a list, counted from 0."""
        self.controls[name]["marked"] = list(rows)
        if "selectCommand" in self.controls[name]:
            self.controls[name]["selectCommand"]()

    def delete(self, name):
        if name not in self.controls:
            raise RuntimeError("Object '%s' not found." % name)
        for child in [one for one, control in self.controls.items() if control["parent"] == name]:
            self.delete(child)
        del self.controls[name]
        self.parents = [one for one in self.parents if one != name]
