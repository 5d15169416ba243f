# What the published commands expect to find besides curl, for the emulator at $EMULATOR.

# Each command's status, method and address go to a file.
curl() {
    command curl --silent --show-error --write-out '%{stderr}%{http_code} %{method} %{url_effective}\n' "$@" 2>> "$CURL_LOG"
}

# jq -r '.a.b[0]'; a script, because not every machine has jq.
jq() {
    "$PYTHON" -c '
import json, re, sys
value = json.load(sys.stdin)
for key in re.findall(r"\w+", sys.argv[1]):
    value = value[int(key) if key.isdigit() else key]
print(value if isinstance(value, str) else json.dumps(value))' "$2"
}

# az account get-access-token [--resource URI]; az storage account show-connection-string;
# az storage blob upload-batch -d CONTAINER/FOLDER -s FOLDER --connection-string TEXT
az() {
    case "$*" in
        *get-access-token*--resource*) token "$4" ;;
        *get-access-token*) token https://management.azure.com ;;
        *show-connection-string*) echo '{"connectionString": "AccountName=unused"}' ;;
        *upload-batch*) upload "$5" "$7" ;;
    esac
}

token() {
    command curl --silent --fail --data "grant_type=client_credentials&client_id=app&client_secret=$CLIENT_SECRET" \
        --data-urlencode "scope=$1/.default" "$EMULATOR/tenant/oauth2/v2.0/token" | jq -r .access_token
}

upload() {
    local file access
    access=$(token https://storage.azure.com)
    (cd "$2" && find . -type f) | while read -r file; do
        command curl --silent --show-error --fail --upload-file "$2/$file" --header "x-ms-blob-type: BlockBlob" \
            --header "x-ms-version: 2021-08-06" --header "Authorization: Bearer $access" \
            "$EMULATOR/blob/$AZURE_STORAGE_ACCOUNT/$1/${file#./}" < /dev/null
    done
}

# wait_for_completion URL TOKEN: an operation has .status, a job .properties.status.
wait_for_completion() {
    local told=
    until [[ "$told" =~ \"status\":\"(Succeeded|Completed|Failed|Canceled)\" ]]; do
        ((SECONDS < 60)) || { echo "$1 does not end: $told" >&2; exit 1; }
        sleep 0.1
        told=$(command curl --silent --fail --header "Authorization: Bearer $2" "$1")
    done
}
