# Converts a picture, named by address or as STAC; goes wrong, as packages on data hubs do, where `wrong` says so.
cwlVersion: v1.2
$namespaces: {s: 'https://schema.org/'}
s:softwareVersion: 1.0.0
$graph:
  - class: Workflow
    id: convert-url
    label: Convert a picture
    doc: Makes the picture at an address smaller.
    inputs:
      fn: {type: string, default: resize, label: Function, doc: 'What to do: resize.'}
      url: {type: string, label: Picture, doc: Its address.}
      size: {type: string, default: 50%, label: Size, doc: Percentage that stays.}
      wrong: {type: string, default: nothing, label: Fault, doc: What shall go wrong.}
      glob: {type: string, default: ., label: Glob, doc: What is collected.}
    outputs:
      converted_image: {type: Directory, outputSource: convert/results, label: Result, doc: STAC catalog.}
    steps:
      convert:
        run: '#convert'
        in: {fn: fn, kind: {default: --url}, url: url, size: size, wrong: wrong, glob: glob}
        out: [results]

  - class: Workflow
    id: convert-stac
    label: Convert a picture
    doc: Makes the picture of a STAC item smaller.
    inputs:
      fn: {type: string, default: resize, label: Function, doc: 'What to do: resize.'}
      stac: {type: Directory, label: Picture, doc: A STAC item.}
      size: {type: string, default: 50%, label: Size, doc: Percentage that stays.}
    outputs:
      converted_image: {type: Directory, outputSource: convert/results, label: Result, doc: STAC catalog.}
    steps:
      convert:
        run: '#convert'
        in: {fn: fn, kind: {default: --stac}, stac: stac, size: size, wrong: {default: nothing}, glob: {default: .}}
        out: [results]

  - class: CommandLineTool
    id: convert
    requirements:
      NetworkAccess: {networkAccess: true}
      ResourceRequirement: {coresMax: 1, ramMax: 512}
    hints:
      DockerRequirement: {dockerPull: 'docker.io/zoo-runner/eo-tools:1'}
    baseCommand: [python3, -c]
    arguments: [{valueFrom: {$include: convert.py}}]
    inputs:
      fn: {type: string, inputBinding: {position: 1}}
      kind: {type: string, inputBinding: {position: 2}}
      url: {type: string?, inputBinding: {position: 3}}
      stac: {type: Directory?, inputBinding: {position: 3}}
      size: {type: string, inputBinding: {position: 4}}
      wrong: {type: string, inputBinding: {position: 5}}
      glob: string
    outputs:
      results: {type: Directory, outputBinding: {glob: $(inputs.glob)}}
