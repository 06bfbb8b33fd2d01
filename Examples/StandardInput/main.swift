// Reads lines from standard input, whatever it is, while a clock goes on: a terminal does not stop the loop, and the shell finds it as it was.
//
//     ls | swift run StandardInput
import Apus

try EventLoop.run {
    let clock = EventLoop.spawn(name: "clock") {
        while true {
            try await sleep(for: .seconds(1))
            print("… waiting for a line, or for Ctrl-D")
        }
    }
    let input = BufferedReader(try await PipeStream.standardInput())
    var count = 0
    for try await line in input.lines {
        count += 1
        print("line \(count) has \(line.count) characters")
    }
    clock.cancel()
    print("lines:", count)
}
