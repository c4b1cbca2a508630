# A step with maximums alone, of which a cluster reserves more than it has, and one machine gives what it has.
cwlVersion: v1.2
class: CommandLineTool
id: maximum
requirements:
  ResourceRequirement: {coresMax: 4096, ramMax: $(inputs.ram)}
baseCommand: 'true'
inputs: {ram: int}
outputs:
  cores: {type: int, outputBinding: {outputEval: $(runtime.cores)}}
