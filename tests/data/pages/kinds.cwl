cwlVersion: v1.2
class: CommandLineTool
id: kinds
label: A result of each kind
requirements:
  InitialWorkDirRequirement:
    listing:
      - entryname: write.py
        entry: |
          import base64, csv, json
          dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
          with open("dot.png", "wb") as out:
              out.write(base64.b64decode(dot))
          with open("note.txt", "w") as out:
              out.write("<script>alert(1)</script> seen at noon\n")
          with open("long.txt", "w") as out:
              out.write("".join(f"line {number}\n" for number in range(20000)))
          with open("gauges.csv", "w", newline="") as out:
              table = csv.writer(out)
              table.writerow(["station", "day", "level", "<b>flow</b>"])
              for number in range(30):
                  flow = "" if number in (10, 11) else number * 2
                  table.writerow([f"s{number % 3}", f"2026-03-{30 - number:02d}", number % 7, flow])
          square = [[[11, 46], [12, 46], [12, 47], [11, 46]]]
          feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": square}}
          with open("field.geojson", "w") as out:
              json.dump({"type": "FeatureCollection", "features": [feature]}, out)
baseCommand: [python3, write.py]
inputs: {}
outputs:
  dot: {type: File, outputBinding: {glob: dot.png}}
  note: {type: File, outputBinding: {glob: note.txt}}
  long: {type: File, outputBinding: {glob: long.txt}}
  gauges: {type: File, outputBinding: {glob: gauges.csv}}
  field: {type: File, outputBinding: {glob: field.geojson}}
