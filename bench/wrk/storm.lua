-- storm.lua - a connection per request: TCP, a full TLS handshake, a short answer, the close
-- SPDX-License-Identifier: MIT
dofile(os.getenv("BENCH_WRK") .. "/report.lua")
wrk.headers["Connection"] = "close"
