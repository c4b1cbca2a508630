cwlVersion: v1.2
$namespaces: {s: https://schema.org/}
s:softwareVersion: 1.0.0
class: CommandLineTool
id: survey
label: Survey of an area
doc: Grows a field of values over an area, and measures it along a line.
requirements:
  InlineJavascriptRequirement: {}
  InitialWorkDirRequirement:
    listing:
      - entryname: survey.py
        entry: |
          import csv, json, sys
          import numpy as np
          import rasterio
          from rasterio.transform import from_bounds

          west, south, east, north = json.loads(sys.argv[1])
          y, x = np.mgrid[0:400, 0:600]
          field = (np.sin(x / 40.0) * np.cos(y / 50.0) + x / 600.0).astype("float32")
          field[(x - 300) ** 2 + (y - 200) ** 2 > 230**2] = -9999
          place = from_bounds(west, south, east, north, 600, 400)
          profile = dict(driver="GTiff", width=600, height=400, count=1, dtype="float32", crs="EPSG:4326", nodata=-9999)
          with rasterio.open("field.tif", "w", transform=place, tiled=True, **profile) as raster:
              raster.write(field, 1)
              raster.set_band_description(1, "growth")
          middle = (west + east) / 2, (south + north) / 2
          line = {"type": "LineString", "coordinates": [[west, middle[1]], [east, middle[1]]]}
          feature = {"type": "Feature", "properties": {"name": "Transect"}, "geometry": line}
          with open("transect.geojson", "w") as out:
              json.dump({"type": "FeatureCollection", "features": [feature]}, out)
          with open("transect.csv", "w", newline="") as out:
              table = csv.writer(out)
              table.writerow(["metres", "growth"])
              table.writerows((number * 100, round(float(field[200, number]), 3)) for number in range(80, 520, 4))
baseCommand: [python3, survey.py]
arguments: ['${return JSON.stringify(inputs.area.bbox);}']
inputs:
  area:
    label: Area
    doc: Where the survey is made.
    type:
      type: record
      fields:
        bbox: "double[]"
        crs: string?
outputs:
  field: {type: File, label: Field, format: "https://www.iana.org/assignments/media-types/image/tiff", outputBinding: {glob: field.tif}}
  transect: {type: File, label: Transect, outputBinding: {glob: transect.geojson}}
  profile: {type: File, label: Profile, outputBinding: {glob: transect.csv}}
