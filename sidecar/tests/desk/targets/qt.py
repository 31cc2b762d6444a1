"""A Qt window with a text area, or with a one-line entry; what stands in it is kept in the file `typed`."""
import os
import sys

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication, QLineEdit, QPlainTextEdit


kept = None


def keep():
    global kept
    text = read()
    if text != kept and (text or field.hasFocus()):
        kept = text
        with open("typed.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename("typed.new", "typed")


app = QApplication(sys.argv[:1])
if sys.argv[1:] == ["entry"]:
    field = QLineEdit()
    read = field.text
else:
    field = QPlainTextEdit()
    read = field.toPlainText
field.setWindowTitle("Qt")
field.resize(900, 500)
field.show()
timer = QTimer()
timer.timeout.connect(keep)
timer.start(2)
app.exec_()
