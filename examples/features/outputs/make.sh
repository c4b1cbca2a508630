set -eu
mkdir -p folder/deeper
echo "one" > folder/one.txt
echo "two" > folder/deeper/two.txt
echo "three levels" > report.txt
echo "made" > log.txt
cat > cwl.output.json <<'JSON'
{
  "name": "Beetzsee",
  "count": 3,
  "share": 0.094,
  "complete": true,
  "levels": [1, 2, 3],
  "nothing": null,
  "place": {"longitude": 12.61, "latitude": 52.49},
  "report": {"class": "File", "path": "report.txt"},
  "folder": {"class": "Directory", "path": "folder"},
  "log": {"class": "File", "path": "log.txt"}
}
JSON
