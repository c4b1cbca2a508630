"""The local engine: cwltool on this machine."""
