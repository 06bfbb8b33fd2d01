import ApusRuntime

/// A call that holds a thread of a pool until it is let go.
struct HeldThread: Sendable {
    let call: LoopTask<Void>
    private let gate: Gate

    /// On the current loop. The call runs when this returns.
    init(of pool: OffloadPool) async {
        let (begun, gate) = (Gate(), Gate())
        self.gate = gate
        call = EventLoop.spawn {
            try await offload(to: pool) {
                begun.open()
                gate.pass()
            }
        }
        await turns()
        begun.pass()
    }

    func letGo() { gate.open() }
}
