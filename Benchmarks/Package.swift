// swift-tools-version: 6.2
// The benchmark programs, apart from the main package so that nobody who uses Apus builds them.
// `./run bench` builds and runs them; docs/PERFORMANCE.md says what is measured.
import PackageDescription

let package = Package(
    name: "apus-benchmarks",
    dependencies: [
        .package(name: "apus", path: "..")
    ],
    targets: [
        // BenchClient URL N CONCURRENCY
        .executableTarget(name: "BenchClient", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchSleepers N
        .executableTarget(name: "BenchSleepers", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchEcho server PORT | client PORT N C [SIZE]
        .executableTarget(name: "BenchEcho", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchServer PORT N
        .executableTarget(name: "BenchServer", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchTransfer serve PORT FILE [CERTIFICATE KEY] | fetch PORT PATH [ROOTS] | get URL N [ROOTS]
        .executableTarget(name: "BenchTransfer", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchIdle PORT [CERTIFICATE KEY]
        .executableTarget(name: "BenchIdle", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchOffload WHAT N [MICROSECONDS]
        .executableTarget(name: "BenchOffload", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchWholeProcess loop|pool N
        .executableTarget(name: "BenchWholeProcess", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchGrowth CASE N OPERATIONS [PORT] | serve PORT LOOPS | hold PORT N SECONDS
        .executableTarget(name: "BenchGrowth", dependencies: [.product(name: "Apus", package: "apus")]),
        // BenchTasks apus|swift LINE N
        .executableTarget(name: "BenchTasks", dependencies: [.product(name: "Apus", package: "apus")]),
    ]
)

for target in package.targets {
    target.swiftSettings = [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]
}
