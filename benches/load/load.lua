-- What wrk sends in one run, told by the environment, and the one line of JSON it prints at the end.
--   BENCH_MODE   get: the URL as it is · range: random ranges of the URL · login: POST, one account after another
--   BENCH_TOKEN  sent as a bearer token where it is set
--   BENCH_SIZE, BENCH_LENGTH        range: bytes of the file, bytes of a range
--   BENCH_ACCOUNTS, BENCH_PASSWORD  login: how many load<n>@bench.example there are, and their password
local mode = os.getenv("BENCH_MODE")
local token = os.getenv("BENCH_TOKEN")
local size = tonumber(os.getenv("BENCH_SIZE") or 0)
local length = tonumber(os.getenv("BENCH_LENGTH") or 0)
local accounts = tonumber(os.getenv("BENCH_ACCOUNTS") or 0)
local password = os.getenv("BENCH_PASSWORD")

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local headers = wrk.headers
if token then headers["Authorization"] = "Bearer " .. token end

function init()
  -- Both sides of a comparison read the same ranges; the threads of one run do not.
  math.randomseed(4711 + number)
  turn = number
end

local function range()
  local first = math.random(0, size - length)
  headers["Range"] = string.format("bytes=%.0f-%.0f", first, first + length - 1)
  return wrk.format("GET", nil, headers)
end

local function login()
  turn = turn + 1
  headers["Content-Type"] = "application/json"
  local body = string.format('{"email":"load%d@bench.example","password":"%s"}', turn % accounts, password)
  return wrk.format("POST", nil, headers, body)
end

if mode == "range" then request = range end
if mode == "login" then request = login end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'RESULT {"requests":%.0f,"bytes":%.0f,"duration_us":%.0f,"p50_us":%.0f,"p99_us":%.0f,"max_us":%.0f,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    latency.max, e.connect, e.read, e.write, e.status, e.timeout))
end
