"""A GTK window with a text area, with a one-line entry, or with an area of a program that is known to paste; what stands
in it is kept in the file `typed`."""
import os
import sys

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import GLib, Gtk  # noqa: E402

kept = None


def keep():
    global kept
    text = read()
    if text != kept and (text or field.has_focus()):
        kept = text
        with open("typed.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename("typed.new", "typed")
    return True


if sys.argv[1:] == ["editor"]:
    GLib.set_prgname("gedit")
window = Gtk.Window(title="GTK")
window.set_default_size(900, 500)
if sys.argv[1:] == ["entry"]:
    field = Gtk.Entry()
    read = field.get_text
else:
    field = Gtk.TextView(wrap_mode=Gtk.WrapMode.WORD_CHAR)
    buffer = field.get_buffer()
    read = lambda: buffer.get_text(*buffer.get_bounds(), True)  # noqa: E731
GLib.timeout_add(2, keep)
window.add(field)
window.show_all()
Gtk.main()
