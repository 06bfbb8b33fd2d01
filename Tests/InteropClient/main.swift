// The client against real servers, with curl's word for what is right: `apus-interop-client`, started by scripts/interop.
//
//     apus-interop-client CURL FOLDER CA nginx=URL apache=URL haproxy=URL httpserver=URL aiohttp=URL httpbin=URL …
//
// One line per check, `ok …` or `FAIL …`, then `N passed, M failed`; exit code 1 if any failed.
import Apus
@preconcurrency import Glibc

setlinebuf(stdout)
let arguments = CommandLine.arguments
guard arguments.count > 4 else {
    print("usage: apus-interop-client CURL FOLDER CA NAME=URL…")
    exit(2)
}
let peers = Dictionary(
    uniqueKeysWithValues: arguments.dropFirst(4).map { argument in
        let parts = argument.split(separator: "=", maxSplits: 1)
        return (String(parts[0]), String(parts[1]))
    }
)
let curl = Curl(path: arguments[1], folder: arguments[2], authority: arguments[3])
let failed = try EventLoop.run {
    var configuration = ClientSession.Configuration()
    configuration.tls.trust = .roots([try curl.authorityText()])
    return try await ClientSession.with(configuration) { session in
        let table = Table(session: session, curl: curl)
        let scenes = Scenes(table: table, peers: peers, folder: curl.folder)
        try await scenes.run()
        print("\(table.passed) passed, \(table.failed) failed")
        return table.failed
    }
}
exit(failed == 0 ? 0 : 1)
