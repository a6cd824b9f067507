-- publish.lua - posts 100-byte messages, one after the other, to a publish route
-- SPDX-License-Identifier: MIT
dofile(os.getenv("BENCH_WRK") .. "/report.lua")
wrk.method = "POST"
wrk.body = string.rep("x", 100)
wrk.headers["Content-Type"] = "text/plain"
