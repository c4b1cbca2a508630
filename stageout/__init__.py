"""Stage-out: a CWL output object goes in, results in a bucket or a folder come out."""
