import Testing

@testable import ApusCLI

@Suite struct HTMLTests {
    @Test func aValueCannotEndItsAttribute() {
        let html = HTML.element("p", ["class": "\" onclick=\"x\u{0}'`<>&"], .text("<b>&\"'`"))
        #expect(
            html.source
                == "<p class=\"&quot; onclick=&quot;x\\u{0}&#39;&#96;&lt;&gt;&amp;\">&lt;b&gt;&amp;&quot;&#39;&#96;</p>"
        )
    }
}
