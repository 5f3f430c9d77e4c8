// A tool says so when it is registered (LTI Dynamic Registration 1.0, section 3.4).
window.addEventListener("message", (event) => {
  if (event.data?.subject !== "org.imsglobal.lti.close") return;
  event.source.close();
  location.reload();
});
