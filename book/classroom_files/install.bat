@rem Windows: double-click
@cd /d "%~dp0"
@py install.py || python install.py
@pause
