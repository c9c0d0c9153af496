"""The tools of the notebooks: JupyterLab on a lake, and the notebooks as pages of its site."""
