# Tells its own process id and that of a child which left its session, into the named pipe `ready`; then waits.
cwlVersion: v1.2
class: CommandLineTool
id: tree
baseCommand: [sh, -c, 'trap "" TERM; setsid sh -c "trap \"\" TERM; sleep 300" & echo $$ $! > "$0"; wait; wait']
inputs:
  ready: {type: string, inputBinding: {position: 1}}
outputs: []
