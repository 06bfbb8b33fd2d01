/// How the page looks: in light and in dark, wide and narrow, and printed.
enum ReportStyle {
    static let sheet = HTML(
        """
        :root { color-scheme: light dark;
          --page: #f6f7f9; --card: #ffffff; --line: #dfe3e8; --text: #1c2430; --soft: #5d6978;
          --good: #2477c9; --good-area: #2477c933; --bad: #c93a3a; --warn: #a86508;
          --bytes: #2a8a5a; --bytes-area: #2a8a5a33; --mark: #7b5bb5; }
        @media (prefers-color-scheme: dark) { :root {
          --page: #12161c; --card: #1a2029; --line: #303a47; --text: #e4e9f0; --soft: #98a4b3;
          --good: #5aa5ee; --good-area: #5aa5ee33; --bad: #f07070; --warn: #e3a44a;
          --bytes: #5ac08c; --bytes-area: #5ac08c33; --mark: #b79af0; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--page); color: var(--text);
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
        main { max-width: 1040px; margin: 0 auto; padding: 28px 20px 48px; }
        h1 { font-size: 24px; line-height: 1.25; margin: 0 0 2px; }
        h2 { font-size: 16px; margin: 0 0 12px; }
        h2 small { font-weight: normal; color: var(--soft); font-size: 13px; margin-left: 8px; }
        p { margin: 0; } .soft { color: var(--soft); }
        .badge { display: inline-block; border-radius: 999px; padding: 0 10px; font-size: 13px; margin-left: 8px;
          vertical-align: 3px; border: 1px solid currentColor; font-weight: normal; }
        .good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
        .tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0; }
        .tile, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
        .tile { padding: 10px 14px; flex: 1 1 150px; } .tile b { display: block; font-size: 21px; line-height: 1.3; white-space: nowrap; }
        .tile span { color: var(--soft); font-size: 13px; }
        section { padding: 16px 18px 18px; margin: 0 0 16px; overflow: hidden; }
        .pair { display: grid; grid-template-columns: 2fr 3fr; gap: 16px; align-items: start; }
        .pair section { min-width: 0; }
        svg { display: block; width: 100%; height: auto; } svg.narrow { display: none; }
        svg text { font-size: 12px; fill: var(--soft); } svg text.end { text-anchor: end; } svg text.middle { text-anchor: middle; }
        svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--soft); stroke-width: 1; }
        svg .fetched { fill: var(--good-area); stroke: var(--good); stroke-width: 1.5; stroke-linejoin: round; }
        svg .failed { fill: var(--bad); }
        svg .bytes { fill: var(--bytes-area); stroke: var(--bytes); stroke-width: 1.5; stroke-linejoin: round; }
        svg .bar { fill: var(--good); } svg .bar.bad { fill: var(--bad); } svg .bar.warn { fill: var(--warn); }
        svg .mark { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 4 3; }
        svg text.mark { fill: var(--mark); stroke: var(--card); stroke-width: 4; stroke-dasharray: none; paint-order: stroke; }
        svg.meter { height: 8px; min-width: 60px; } svg.meter .all { fill: var(--line); }
        .legend { font-size: 13px; color: var(--soft); margin: -6px 0 8px; } .legend i { display: inline-block; width: 10px;
          height: 10px; border-radius: 2px; margin: 0 5px 0 12px; } .legend i:first-child { margin-left: 0; }
        .legend .fetched { background: var(--good); } .legend .failed { background: var(--bad); }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-size: 14px; }
        th { text-align: left; color: var(--soft); font-weight: normal; font-size: 13px; }
        th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
        tr:last-child td { border-bottom: 0; } td:last-child, th:last-child { padding-right: 0; }
        .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        .name { overflow-wrap: anywhere; min-width: 11em; } .name small { display: block; } .wide { width: 30%; } .wide svg { margin-top: 7px; }
        table.even { table-layout: fixed; margin-top: 8px; } table.even th, table.even td { text-align: center; padding-right: 0; }
        td.example { color: var(--soft); overflow-wrap: anywhere; min-width: 12em; }
        footer { color: var(--soft); font-size: 13px; margin-top: 20px; }
        @media (max-width: 760px) { main { padding: 18px 12px 32px; } .pair { display: block; } section { padding: 14px 12px; }
          svg.broad { display: none; } svg.narrow { display: block; }
          .tiles { gap: 8px; } .tile { flex-basis: 120px; padding: 8px 12px; }          .tile b { font-size: 18px; } .wide, .extra { display: none; } table { font-size: 13px; } th, td { padding-right: 7px; }
          .name { min-width: 8em; } td.example { min-width: 9em; } table.even { font-size: 12px; } }
        @media print { body { background: none; } section, .tile { break-inside: avoid; } }
        """
    )
}
