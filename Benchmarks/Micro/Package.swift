// swift-tools-version: 6.2
// Micro-benchmarks, apart from the other benchmark programs so that those build without the benchmark package.
// `./run bench micro` builds and runs them; docs/PERFORMANCE.md has their table.
import PackageDescription

let package = Package(
    name: "apus-micro-benchmarks",
    dependencies: [
        .package(name: "apus", path: "../.."),
        // No traits: they interpose malloc and the Swift runtime, which every figure here would pay for.
        .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "Micro",
            dependencies: [
                .product(name: "Apus", package: "apus"),
                .product(name: "Benchmark", package: "benchmark"),
            ],
            // The plugin writes a main function only for targets in a folder of this name.
            path: "Benchmarks/Micro",
            swiftSettings: [.swiftLanguageMode(.v6)],
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        )
    ]
)
