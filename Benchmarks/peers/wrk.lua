-- For wrk: BENCH_BODY bytes by POST, and at the end a line in the shape that all clients print. CPU is what the shell measures.
local size = tonumber(os.getenv("BENCH_BODY") or "0")
if size > 0 then
    wrk.method = "POST"
    wrk.body = string.rep("x", size)
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("wrk: n=%d wall=%.4f rps=%.0f failed=%d p50=%.2f p99=%.2f p999=%.2f\n", summary.requests,
        summary.duration / 1e6, summary.requests / (summary.duration / 1e6), failed, latency:percentile(50), latency:percentile(99),
        latency:percentile(99.9)))
end
