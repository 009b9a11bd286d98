"""
The manual, made from what the program itself reads: the models of the file, and the words of the command line.

`python -m echod.manual DIRECTORY` writes the man pages and the completions of the shells; with `--readme README.md` it
renews the tables there. `echod.manual.tables` has what people must be told and no model knows, and tests hold it to the
code.
"""
