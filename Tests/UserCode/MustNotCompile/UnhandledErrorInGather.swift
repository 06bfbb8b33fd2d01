// error: call can throw, but it is not marked with 'try' and the error is not handled
import Apus

func program() async {
    let pages = await gather(1...3) { number in number }
    print(pages)
}
