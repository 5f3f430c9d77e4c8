"""The files of ``deploy/``: read by the programs and schemas that know their forms."""
