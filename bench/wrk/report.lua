-- report.lua - the figures of a wrk run as one line of JSON, marked so that it can be found in the output
-- SPDX-License-Identifier: MIT
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        'BENCH {"requests": %d, "bytes": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, ' ..
        '"connect_errors": %d, "read_errors": %d, "write_errors": %d, "status_errors": %d, "timeouts": %d}\n',
        summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        e.connect, e.read, e.write, e.status, e.timeout))
end
