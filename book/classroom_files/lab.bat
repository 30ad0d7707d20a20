@rem Windows: double-click
@cd /d "%~dp0"
@py lab.py %* || python lab.py %*
@pause
