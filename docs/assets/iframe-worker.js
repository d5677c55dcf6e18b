/* Search works from a disk, too: there browsers refuse to start a worker, so its script runs in a hidden frame instead.
 * From a server nothing is changed. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.url = String(address);
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      document.body.append(frame);
      frame.contentDocument.write("<!doctype html><title>search</title><body>"); // which some browsers replace otherwise
      frame.contentDocument.close();
      this.inside = frame.contentWindow;
      const script = frame.contentDocument.createElement("script");
      this.inside.postMessage = (data) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        this.onmessage?.(event);
      };
      this.inside.importScripts = (...scripts) =>
        Promise.all(scripts.map((one) => this.load(new URL(one, this.url))));
      script.src = this.url;
      script.addEventListener("load", () => {
        for (const data of this.waiting) this.deliver(data);
        this.waiting = null;
      });
      script.addEventListener("error", (event) => this.dispatchEvent(new Event("error", event)));
      frame.contentDocument.body.append(script);
    }
    load(address) {
      return new Promise((done, failed) => {
        const script = this.inside.document.createElement("script");
        script.src = address;
        script.async = false;
        script.onload = done;
        script.onerror = failed;
        this.inside.document.body.append(script);
      });
    }
    deliver(data) {
      this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data }));
    }
    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.deliver(data);
    }
    terminate() {
      this.inside.frameElement.remove();
    }
  };
}
